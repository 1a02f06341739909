//! What a roll does next. Pure: the members of one component in, one move out.
//!
//! One more than wanted is started, and only when it is ready one old replica is drained, so the number of ready
//! replicas never falls below what was asked for. Without leave to start (the new generation is doomed), nothing
//! moves and the old ones go on serving.

use crate::process::protocol::Phase;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub key: u64,
    /// Of the generation and on the address that are wanted.
    pub current: bool,
    pub phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Start,
    Drain(u64),
}

/// Whether replicas of the wanted generation may be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Doomed, or a pause after an exit has not passed.
    No,
    /// One, and the next when it is ready: nobody knows yet whether this program works.
    OneByOne,
    /// It has worked before: all that are missing at once, where no older replica serves.
    Together,
}

pub(super) fn next(want: usize, leave: Leave, members: &[Member]) -> Option<Move> {
    let live: Vec<&Member> = members.iter().filter(|member| member.phase != Phase::Draining).collect();
    if want == 0 {
        return live.first().map(|member| Move::Drain(member.key));
    }
    let draining = live.len() < members.len();
    start(want, leave, &live).or_else(|| if draining { None } else { drain(want, &live) })
}

fn start(want: usize, leave: Leave, live: &[&Member]) -> Option<Move> {
    let new = live.iter().filter(|member| member.current).count();
    let ready = live.iter().filter(|member| member.current && member.phase == Phase::Ready).count();
    let alone = new == live.len();
    let in_turn = new == 0 || ready == new && live.len() <= want;
    let fill = alone && (ready > 0 || leave == Leave::Together);
    (leave != Leave::No && new < want && (in_turn || fill)).then_some(Move::Start)
}

/// One at a time, and who does not serve anyway goes first.
fn drain(want: usize, live: &[&Member]) -> Option<Move> {
    let ready =
        |current: bool| live.iter().filter(|m| m.current == current && m.phase == Phase::Ready).count();
    let pick = |current: bool, ready: bool| {
        live.iter().rev().find(|m| m.current == current && (m.phase == Phase::Ready) == ready)
    };
    let new = live.iter().filter(|member| member.current).count();
    let surplus = if new > want { pick(true, false).or_else(|| pick(true, true)) } else { None };
    let idle_old = if ready(true) > 0 { pick(false, false) } else { None };
    let spare_old =
        if ready(true) > 0 && ready(true) + ready(false) > want { pick(false, true) } else { None };
    surplus.or(idle_old).or(spare_old).map(|member| Move::Drain(member.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `N`/`O` a ready new or old replica, `n`/`o` one that is not, `d` one that drains.
    fn members(text: &str) -> Vec<Member> {
        let member = |(key, c): (usize, char)| Member {
            key: key as u64,
            current: matches!(c, 'N' | 'n'),
            phase: match c {
                'N' | 'O' => Phase::Ready,
                'd' => Phase::Draining,
                _ => Phase::Starting,
            },
        };
        text.chars().enumerate().map(member).collect()
    }

    fn check(want: usize, text: &str, expected: Option<Move>) {
        assert_eq!(next(want, Leave::OneByOne, &members(text)), expected, "{text}");
    }

    #[test]
    fn a_first_deploy_starts_one_and_then_the_rest() {
        check(3, "", Some(Move::Start));
        check(3, "n", None);
        check(3, "N", Some(Move::Start));
        check(3, "Nn", Some(Move::Start));
        check(3, "NNN", None);
    }

    #[test]
    fn a_roll_starts_one_more_and_drains_one_old_when_it_is_ready() {
        check(2, "OO", Some(Move::Start));
        check(2, "OOn", None);
        check(2, "OON", Some(Move::Drain(1)));
        check(2, "OdN", Some(Move::Start));
        check(2, "OdNN", None);
        check(2, "ONN", Some(Move::Drain(0)));
        check(2, "NN", None);
    }

    #[test]
    fn an_old_replica_that_does_not_serve_goes_first() {
        check(2, "oON", Some(Move::Drain(0)));
        check(2, "oo", Some(Move::Start));
        check(2, "oon", None);
    }

    #[test]
    fn fewer_wanted_drains_the_surplus_and_none_wanted_drains_all() {
        check(1, "NN", Some(Move::Drain(1)));
        check(2, "NnN", Some(Move::Drain(1)));
        check(2, "OOOO", Some(Move::Start));
        check(2, "OOOON", Some(Move::Drain(3)));
        check(0, "Od", Some(Move::Drain(0)));
        check(0, "d", None);
    }

    #[test]
    fn without_leave_nothing_new_starts_and_what_serves_stays() {
        assert_eq!(next(2, Leave::No, &members("OO")), None);
        assert_eq!(next(2, Leave::No, &members("OOn")), None);
        assert_eq!(next(2, Leave::No, &members("n")), None);
    }

    #[test]
    fn what_worked_before_starts_all_at_once() {
        assert_eq!(next(3, Leave::Together, &members("nn")), Some(Move::Start));
        assert_eq!(next(2, Leave::Together, &members("OOn")), None);
    }

    /// Plays a roll in which each start becomes ready and each drain ends, in any order.
    fn play(want: usize, old: usize, order: &[bool]) -> (usize, Vec<Member>) {
        let mut world = members(&"O".repeat(old));
        let (mut key, mut order, mut least) = (100, order.iter().cycle(), old);
        for _ in 0..200 {
            match next(want, Leave::OneByOne, &world) {
                Some(Move::Start) => {
                    world.push(Member { key, current: true, phase: Phase::Starting });
                    key += 1;
                }
                Some(Move::Drain(victim)) => {
                    world.iter_mut().filter(|m| m.key == victim).for_each(|m| m.phase = Phase::Draining);
                }
                None if *order.next().unwrap_or(&true) => {
                    world
                        .iter_mut()
                        .filter(|m| m.phase == Phase::Starting)
                        .for_each(|m| m.phase = Phase::Ready);
                }
                None => world.retain(|member| member.phase != Phase::Draining),
            }
            least = least.min(world.iter().filter(|m| m.phase == Phase::Ready).count());
        }
        (least, world)
    }

    proptest! {
        #[test]
        fn every_roll_ends_and_capacity_never_falls_below_old_and_wanted(
            want in 1usize..6, old in 0usize..6, mut order in proptest::collection::vec(any::<bool>(), 1..20),
        ) {
            order.extend([true, false]);
            let (least, world) = play(want, old, &order);
            prop_assert!(least >= want.min(old), "{least} ready at the least");
            prop_assert_eq!(world.len(), want);
            prop_assert!(world.iter().all(|member| member.current && member.phase == Phase::Ready));
        }
    }
}
