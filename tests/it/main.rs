//! The integration tests, in one binary: the house's own rules, what is generated, and the
//! program as its users run it.

mod architecture;
mod cli;
mod changes;
mod clusters;
mod conventions;
mod engine;
mod formats;
mod generated;
mod graph;
mod program;
mod reach;
mod reference;
mod rules;
mod surroundings;
mod verdict;
mod written;
