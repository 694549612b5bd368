//! Preprocessing that is made in one run and used in another.
//!
//! What a step yields in the preprocessing phase depends on no input. A run that *makes* keeps it under
//! the name of the step, and no message of the online phase can leave or be awaited in it; a run
//! that *uses* takes it from there instead of talking.

use zeroize::Zeroizing;

use crate::{OpId, Result};

/// Where preprocessing is kept between the two runs.
pub trait Keeper {
    /// Keeps what the step of that name yields.
    ///
    /// # Errors
    /// It cannot be written.
    fn keep(&mut self, id: OpId, bytes: &[u8]) -> Result<()>;

    /// What was kept under that name, once; `None` if there is nothing.
    ///
    /// # Errors
    /// It cannot be read, or is not what was written.
    fn take(&mut self, id: OpId) -> Result<Option<Zeroizing<Vec<u8>>>>;
}

/// What a run does with preprocessing.
#[derive(Default)]
pub enum Preprocessing {
    /// It is made when it is needed.
    #[default]
    Fresh,
    /// It is made and kept, and nothing else is done.
    Made(Box<dyn Keeper>),
    /// It has been made before.
    Used(Box<dyn Keeper>),
}
