//! What the caller of an import decides, and how a command line says it.

use std::collections::BTreeMap;

/// What the caller decides.
#[derive(Clone, Debug)]
pub struct Options {
    /// Width and fraction of floats.
    pub fix: (u32, u32),
    /// Width of integers.
    pub int: u32,
    /// Shapes of inputs whose shapes the model leaves open, or of all. The first size may be another one than the model's 1.
    pub shapes: BTreeMap<String, Vec<usize>>,
    /// Whether all parties learn the weights.
    pub public_weights: bool,
    /// Whether elementary functions are those of `stdlib::fast`, with three or four digits, where it has them.
    pub fast_functions: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            fix: crate::check::types::DEFAULT_FIX,
            int: 32,
            shapes: BTreeMap::new(),
            public_weights: false,
            fast_functions: false,
        }
    }
}

/// Where the help of a command line has what is about models.
#[cfg(feature = "clap")]
pub const HEADING: &str = "Models (.onnx)";

/// The part of a command line that is about a model.
#[cfg(feature = "clap")]
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Width and fraction bits of a model's numbers; 40,16 if nothing is said
    #[arg(long, value_name = "K,F", value_parser = fix, help_heading = HEADING)]
    pub fix: Option<(u32, u32)>,
    /// Sizes of an input that a model leaves open, and how many samples a model for one is to take: image=8,3,224,224
    #[arg(long, value_name = "NAME=SIZES", value_parser = shape, help_heading = HEADING)]
    pub shape: Vec<(String, Vec<usize>)>,
    /// Let all parties learn the weights of a model, which makes products with them local
    #[arg(long, help_heading = HEADING)]
    pub public_weights: bool,
    /// Take elementary functions such as sigmoid, tanh, exp and gelu with three or four digits, in three quarters of the rounds
    #[arg(long, help_heading = HEADING)]
    pub fast_functions: bool,
}

#[cfg(feature = "clap")]
impl Arguments {
    /// What they ask for.
    ///
    /// # Errors
    /// When a shape is given twice.
    pub fn options(&self) -> Result<Options, String> {
        let mut options = Options {
            public_weights: self.public_weights,
            fast_functions: self.fast_functions,
            ..Options::default()
        };
        options.fix = self.fix.unwrap_or(options.fix);
        for (name, sizes) in &self.shape {
            if options.shapes.insert(name.clone(), sizes.clone()).is_some() {
                return Err(format!("`--shape {name}` is given twice"));
            }
        }
        Ok(options)
    }

    /// The first of them that was given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.fix.is_some(), "--fix"),
            (!self.shape.is_empty(), "--shape"),
            (self.public_weights, "--public-weights"),
            (self.fast_functions, "--fast-functions"),
        ];
        given.iter().find(|(is, _)| *is).map(|(_, name)| *name)
    }
}

#[cfg(feature = "clap")]
fn numbers(text: &str) -> Result<Vec<usize>, String> {
    let number = |part: &str| part.trim().parse().map_err(|_| format!("`{part}` is no size"));
    text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect()
}

#[cfg(feature = "clap")]
fn fix(text: &str) -> Result<(u32, u32), String> {
    match numbers(text)?[..] {
        [k, f] if (8..=64).contains(&k) && f + 4 <= k => Ok((k as u32, f as u32)),
        _ => Err("expected the width, 8 to 64, and the fraction bits, at least 4 less".into()),
    }
}

#[cfg(feature = "clap")]
fn shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let (name, sizes) = text.rsplit_once('=').ok_or("expected NAME=SIZE,SIZE,…")?;
    Ok((name.to_string(), numbers(sizes)?))
}
