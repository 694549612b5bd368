//! Every protocol, one line each.

use std::rc::Rc;

use mpc_runtime::{Error, Party, Result};

use crate::protocol::{Build, Info, Protocol, Seeds, Setup};
use crate::schemes;

/// A registered protocol.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What it promises.
    pub info: &'static Info,
    /// Makes a party of it, whatever their number; see [`Entry::build`].
    pub make: Build,
}

impl Entry {
    /// Makes the protocol object of party `me`.
    ///
    /// # Errors
    /// Another number of parties than the protocol takes, or a setup that it cannot do.
    pub fn build(&self, setup: &Setup, me: Party, seeds: &Seeds) -> Result<Rc<dyn Protocol>> {
        if !self.info.parties.fit(setup.parties) {
            let Info { name, parties, .. } = self.info;
            let text = format!("{name} takes {parties} parties, the session has {}", setup.parties);
            return Err(Error::Program(text));
        }
        (self.make)(setup, me, seeds)
    }
}

/// Calls `$callback!` with the modules of all protocols under [`schemes`].
#[macro_export]
macro_rules! for_each_protocol {
    ($callback:ident) => {
        $callback! {
            plain,
            rep3_ring,
            rep3_bin,
            rep3_field,
            ps_rep3_bin,
            sy_rep3_ring,
            sy_shamir,
            ps_rep3_ring,
            mal_rep3_ring,
            shamir,
            atlas,
            ccd,
            semi,
            semi2k,
            semi_bin,
            yao,
            rep4_ring,
            mal_shamir,
            mal_rep3_field,
            spdz2k,
            mascot,
            tinier,
        }
    };
}

macro_rules! define_registry {
    ($($module:ident),* $(,)?) => {
        /// All protocols, in the order of the table.
        pub const PROTOCOLS: &[Entry] = &[$( Entry { info: &schemes::$module::INFO, make: schemes::$module::build } ),*];
    };
}
for_each_protocol!(define_registry);

/// The protocol of that name.
///
/// # Errors
/// There is none; the text lists those there are.
pub fn find(name: &str) -> Result<&'static Entry> {
    PROTOCOLS.iter().find(|entry| entry.info.name == name).ok_or_else(|| {
        let names: Vec<_> = PROTOCOLS.iter().map(|entry| entry.info.name).collect();
        Error::Program(format!("no protocol `{name}`; there are {}", names.join(", ")))
    })
}
