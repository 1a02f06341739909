//! What is told of progress: it is looked at many times a second, and told when it changed.

use crate::event::{Event, waiting_words};
use nica_engine::Effect;
use nica_engine::next::Waiting;
use nica_engine::world::World;
use std::collections::BTreeMap;

/// Kind of progress → what was told of it last.
#[derive(Default)]
pub(super) struct News(BTreeMap<&'static str, String>);

impl News {
    pub(super) fn waiting(&mut self, waiting: &Waiting) -> Option<Event> {
        let what = waiting_words(waiting);
        self.is_news("waiting", &what).then_some(Event::Waiting { what })
    }

    pub(super) fn rollout(&mut self, effect: &Effect, world: &World) -> Option<Event> {
        let Effect::Await { component, generation, replicas } = effect else { return None };
        let seen = world.components.get(component)?;
        let old = seen.alive.iter().filter(|g| *g != generation).count() as u32;
        let (component, ready, replicas) = (component.clone(), seen.ready, *replicas);
        let news = self.is_news("rollout", &format!("{component} {ready}/{replicas} {old}"));
        news.then_some(Event::Rollout { component, ready, replicas, old })
    }

    /// Time alone is no news: whoever watches has a clock. Counts that grow all the while are told once a second.
    pub(super) fn bake(&mut self, seen: Event) -> Option<Event> {
        let Event::Bake { seconds, note, .. } = &seen else { return Some(seen) };
        let same = self.0.get("bake") == Some(note);
        let news = !same && self.is_news("second of the bake", &(*seconds as u64).to_string());
        (news && self.is_news("bake", note)).then_some(seen)
    }

    fn is_news(&mut self, kind: &'static str, words: &str) -> bool {
        self.0.insert(kind, words.to_string()).as_deref() != Some(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::effect::Generation;
    use nica_engine::world::ComponentSeen;

    fn generation(name: &str) -> Generation {
        Generation(name.to_string())
    }

    #[test]
    fn a_rollout_is_told_when_its_numbers_change() {
        let mut news = News::default();
        let await_it = Effect::Await { component: "api".into(), generation: generation("new"), replicas: 2 };
        let mut check = |ready: u32, alive: &[&str], told: bool| {
            let alive = alive.iter().map(|name| generation(name)).collect();
            let seen = ComponentSeen { ready, alive, ..ComponentSeen::default() };
            let world = World { components: [("api".to_string(), seen)].into(), ..World::default() };
            assert_eq!(news.rollout(&await_it, &world).is_some(), told, "{ready} {world:?}");
        };
        check(0, &["old"], true);
        check(0, &["old"], false);
        check(1, &["old", "new"], true);
        check(1, &["old", "new"], false);
        check(1, &["new"], true);
        check(0, &["new"], true);
    }

    #[test]
    fn a_bake_is_told_when_it_counted_more_and_at_most_once_a_second() {
        let mut news = News::default();
        let mut check = |seconds: f64, note: &str, told: bool| {
            let seen = Event::Bake { seconds, of: 600.0, note: note.to_string() };
            assert_eq!(news.bake(seen).is_some(), told, "{seconds} {note}");
        };
        check(0.2, "0 requests", true);
        check(0.5, "0 requests", false);
        check(1.5, "0 requests", false);
        check(1.6, "1 requests", true);
        check(1.9, "2 requests", false);
        check(2.1, "2 requests", true);
    }
}
