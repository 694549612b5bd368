//! `mpcvm keygen`

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use mpc_runtime::Result;
use mpc_vm::net::identity::{self, Generated};

use crate::arguments::Keygen;
use crate::{Outcome, print, wrong};

pub(crate) fn run(arguments: &Keygen) -> Outcome {
    let name = &arguments.name;
    if name.is_empty() || name.chars().any(|c| c.is_control() || "/\\\"".contains(c)) {
        return Err(wrong(format!("`{}` is no name for files", name.escape_debug())).into());
    }
    let made = write(&arguments.out, name)?;
    let text = format!(
        "# {name}.key stays here and is secret. For everyone's session file:\n\
         [[party]]\n\
         name = \"{name}\"\n\
         address = \"HOST:PORT\"\n\
         fingerprint = \"{}\"\n",
        made.fingerprint
    );
    Ok(print(text)?)
}

/// Makes `NAME.key`, which only its owner may read, and `NAME.crt`. Never replaces a key.
pub(crate) fn write(directory: &Path, name: &str) -> Result<Generated> {
    let made = identity::generate(name).map_err(wrong)?;
    fs::create_dir_all(directory).map_err(|e| wrong(format!("{}: {e}", directory.display())))?;
    let key = directory.join(format!("{name}.key"));
    let certificate = directory.join(format!("{name}.crt"));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&key).map_err(|e| wrong(format!("{}: {e}", key.display())))?;
    let written = file
        .write_all(made.key_pem.as_bytes())
        .map_err(|e| wrong(format!("{}: {e}", key.display())))
        .and_then(|()| {
            fs::write(&certificate, &made.certificate_pem)
                .map_err(|e| wrong(format!("{}: {e}", certificate.display())))
        });
    if written.is_err() {
        let _ = fs::remove_file(&key); // of no use without its certificate, and in the way of another try
    }
    written.map(|()| made)
}
