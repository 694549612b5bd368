//! How far a run is, for people who watch.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mpc_bytecode::{Instruction, Program};

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time between two looks at the clock is at least that of this many calls.
const MAX_COUNTED: u64 = 50_000_000;

/// A line at the terminal: instructions done, of how many, time left, source line.
pub(crate) struct Progress<'a> {
    program: &'a Program,
    total: Option<u64>,
    began: Instant,
    bar: Option<ProgressBar>,
    wanted: bool,
}

impl<'a> Progress<'a> {
    /// `wanted`: this process is the one to show it.
    pub(crate) fn new(program: &'a Program, entry: usize, wanted: bool) -> Self {
        let wanted = wanted && std::io::stderr().is_terminal();
        let total = if wanted { count(program, entry) } else { None };
        Progress { program, total, began: Instant::now(), bar: None, wanted }
    }

    /// Called from time to time with the instructions issued and the number of the latest.
    pub(crate) fn at(&mut self, issued: u64, instruction: usize) {
        if !self.wanted || self.began.elapsed() < PATIENCE {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| {
            let form = match total {
                Some(_) => "{elapsed} [{bar:30}] {percent}%, {eta} left  {msg}",
                None => "{elapsed} {spinner} {pos} instructions  {msg}",
            };
            let bar = match total {
                Some(total) => ProgressBar::new(total),
                None => ProgressBar::new_spinner(),
            };
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
            bar.set_style(ProgressStyle::with_template(form).expect("a valid template"));
            bar.with_elapsed(PATIENCE)
        });
        bar.set_message(self.program.place(instruction));
        bar.set_position(issued);
    }

    /// Removes the line.
    pub(crate) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Instructions of a run, if control depends on machine integers alone.
fn count(program: &Program, entry: usize) -> Option<u64> {
    let mut at = program.entries.get(entry)?.start as usize;
    let mut r = vec![0_i64; usize::try_from(program.registers(mpc_bytecode::Bank::R)).ok()?];
    let mut steps = 0;
    while steps < MAX_COUNTED {
        steps += 1;
        let mut next = at + 1;
        match program.code.get(at)? {
            Instruction::Halt(_) => return Some(steps),
            Instruction::Jump(g) => next = g.target.0 as usize,
            Instruction::JumpLess(g) if r[g.a.0 as usize] < r[g.b.0 as usize] => {
                next = g.target.0 as usize;
            }
            Instruction::JumpZero(_) | Instruction::IntFromClear(_) => return None,
            Instruction::LoadInt(g) => r[g.dst.0 as usize] = g.value.0,
            Instruction::AddInt(g) => {
                r[g.dst.0 as usize] = r[g.a.0 as usize].wrapping_add(r[g.b.0 as usize]);
            }
            Instruction::AddIntImm(g) => {
                r[g.dst.0 as usize] = r[g.a.0 as usize].wrapping_add(g.value.0);
            }
            Instruction::MulIntImm(g) => {
                r[g.dst.0 as usize] = r[g.a.0 as usize].wrapping_mul(g.value.0);
            }
            _ => {}
        }
        at = next;
    }
    None
}
