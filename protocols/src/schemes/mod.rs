//! The protocols, one file each.

mod additive;
pub mod atlas;
pub mod blank;
pub mod ccd;
mod gmw;
mod majority;
pub mod mal_rep3_field;
pub mod mal_rep3_ring;
pub mod mal_shamir;
pub mod over_binary;
pub(crate) mod over_field;
pub mod plain;
pub mod ps_rep3_bin;
pub mod ps_rep3_ring;
mod rep3;
pub mod rep3_bin;
pub mod rep3_field;
pub mod rep3_ring;
mod rep4;
pub mod rep4_ring;
pub mod semi;
pub mod semi2k;
pub mod semi_bin;
pub mod shamir;
pub mod sy_rep3_ring;
pub mod sy_shamir;
pub mod yao;
