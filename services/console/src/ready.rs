//! Whether the view has everything that was there when it started.

use crate::app::App;
use crate::json::Refusal;

/// Refuses a read while the view is not complete: half an answer looks like a whole one.
pub(crate) fn check(app: &App) -> Result<(), Refusal> {
    app.view.not_ready().map_or(Ok(()), |why| Err(Refusal::later(why)))
}
