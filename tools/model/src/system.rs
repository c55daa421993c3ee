//! The model: states, actions and properties as the checker takes them.

use stateright::{Model, Property};

use crate::action::{Action, enabled};
use crate::config::Config;
use crate::properties;
use crate::state::State;

/// One system to explore.
#[derive(Clone, Debug)]
pub struct System {
    config: Config,
    first_owner: Option<(usize, u8)>,
}

impl System {
    /// The system with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let first_owner = State::begin(&config).owner;
        Self { config, first_owner }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Who held the reservation at the beginning.
    #[must_use]
    pub const fn first_owner(&self) -> Option<(usize, u8)> {
        self.first_owner
    }
}

impl Model for System {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::begin(&self.config)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        enabled(&self.config, state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        next.take(&self.config, action);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
