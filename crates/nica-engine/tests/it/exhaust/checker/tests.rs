//! The checker, checked on two deployers and one register.

use super::*;

/// Two deployers and one register that remembers the highest fence it was shown.
struct Toy {
    fenced: bool,
    /// The last deployer may give up half-way.
    halts: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Register {
    pc: [u8; 2],
    fence: u8,
    top: u8,
    value: u8,
    bad: bool,
}

impl Protocol for Toy {
    type State = Register;
    type Label = usize;
    type Broken = &'static str;

    fn start(&self) -> Register {
        Register { pc: [0; 2], fence: 0, top: 0, value: 0, bad: false }
    }
    fn steps(&self, here: &Register, out: &mut Vec<Move<Self>>) {
        for i in 0..2 {
            let (mut to, mine) = (*here, i as u8 + 1);
            match here.pc[i] {
                0 => (to.fence, to.top) = (mine, here.top.max(mine)),
                1 if here.fence == mine || !self.fenced => {
                    to.value = mine;
                    to.bad = mine < here.top;
                }
                1 => {}
                _ => continue,
            }
            to.pc[i] += 1;
            to.fence = to.fence.max(here.fence);
            let calm = i == 1 && !self.halts;
            out.push(Move { label: i, calm, to });
        }
    }
    fn broken(&self, state: &Register) -> Option<&'static str> {
        state.bad.then_some("lower fence")
    }
    fn good(&self, state: &Register) -> bool {
        state.pc[1] == 2 && state.value == 2
    }
    fn halted(&self, _: &Register) -> &'static str {
        "halted"
    }
    fn unsettled(&self) -> &'static str {
        "unsettled"
    }
    fn tell(&self, label: usize) -> String {
        format!("deployer {label} moves")
    }
}

#[test]
fn a_fenced_register_holds() {
    let stats = exhaust(&Toy { fenced: true, halts: false }, 1000).expect("the fence holds");
    assert!(stats.states > 5 && stats.good > 0, "{stats:?}");
}

#[test]
fn the_shortest_way_to_break_it_is_told() {
    let found = exhaust(&Toy { fenced: false, halts: false }, 1000).expect_err("nothing fences it");
    assert_eq!(found.broken, "lower fence");
    assert_eq!(found.steps.len(), 3, "{:?}", found.steps);
}

#[test]
fn a_state_without_a_calm_way_out_is_found() {
    let found = exhaust(&Toy { fenced: true, halts: true }, 1000).expect_err("nobody is calm");
    assert_eq!(found.broken, "unsettled");
}

#[test]
#[should_panic(expected = "world too large")]
fn a_partial_search_is_refused() {
    let _ = exhaust(&Toy { fenced: true, halts: false }, 3);
}
