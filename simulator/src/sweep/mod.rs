//! Sweeps: one scenario with some of its keys varied, each variant with several seeds.
//!
//! A sweep is a [`Plan`] of numbered tasks. Each task is run by itself, on this machine or on any that sees the plan's
//! directory, and its figures stand under their name only once they are whole. When all are there, they are merged: one
//! row a task, and for each variant the mean of every figure with its 95 % interval. What was run where changes no
//! byte.

mod merge;
mod plan;
mod statistics;
mod vary;

pub use self::{
    merge::{MergeError, merge},
    plan::{Plan, PlanError, Task},
    vary::{Vary, VaryError},
};
