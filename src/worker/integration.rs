//! Integrations: what deleted ones left behind is removed.

use super::handler::{Handler, Outcome, Task};
use crate::domain::integration::removal::{self, RemoveIntegration};

impl Handler for RemoveIntegration {
    const SLOTS: usize = 1;

    async fn run(self, task: Task) -> Outcome {
        Ok(removal::remove(&task.cx, self.integration, || task.stopping.is_cancelled()).await?)
    }
}
