//! A million mutated files: `cargo test -p mpc-bytecode --test fuzz_long`. Not part of a plain run.

mod support;

#[test]
fn a_million_mutated_files_are_refused_or_mean_what_they_say() {
    let before = support::peak_memory_bytes();
    let count = std::env::var("COUNT").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let [parser, verifier, accepted] = support::fuzz(support::seed(1 << 32), count, 3600);
    println!("refused by the parser {parser}, by the verifier {verifier}, accepted {accepted}");
    let grown = support::peak_memory_bytes().saturating_sub(before);
    assert!(grown < 128 << 20, "reading small files took {grown} bytes");
}
