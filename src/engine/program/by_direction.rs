//! A value for what comes in, and one for what goes out.
//!
//! Refuses to know what the values are.

use crate::k8s::Direction;

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ByDirection<T> {
    /// For what comes in.
    pub ingress: T,
    /// For what goes out.
    pub egress: T,
}

impl<T> ByDirection<T> {
    /// The values of a function of the direction.
    pub fn new(mut value: impl FnMut(Direction) -> T) -> Self {
        Self {
            ingress: value(Direction::Ingress),
            egress: value(Direction::Egress),
        }
    }

    /// The value of a direction.
    pub fn get(&self, direction: Direction) -> &T {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The value of a direction, to change it.
    pub fn get_mut(&mut self, direction: Direction) -> &mut T {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }
}
