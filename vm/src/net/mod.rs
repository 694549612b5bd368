//! Parties that meet over TCP and talk over TLS 1.3. The only sockets of the project.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wire`] | frames from bytes, a pure state machine |
//! | [`identity`] | keys, certificates, fingerprints, the rustls configuration |
//! | `channel`, `link` | one TLS connection, without and with its socket |
//! | [`connect`](mod@connect) | from a roster to connections |
//! | [`agree`] | what parties compare before the first message |
//! | [`shape`] | slower networks |
//! | [`socket`] | the transport of a run |

pub mod agree;
mod channel;
pub mod connect;
pub mod identity;
mod link;
pub mod shape;
pub mod socket;
pub mod wire;

pub use agree::Terms;
pub use connect::{Deadlines, Options, Peer};
pub use identity::{Fingerprint, Identity};
pub use shape::Network;
pub use socket::{Connected, Seed, TlsTransport, connect};
