//! The market's alarms: what is the matter, since when, what to do, who knows of it, and what was the matter before.
//!
//! What is the matter now is judged elsewhere (the console's health); here it becomes a list that outlives the cause
//! and the program. A condition that comes and goes is one alarm, not many.
//!
//! The list is kept in one file of the state directory. An alarm is acknowledged by a file that the running market
//! takes from the same directory: whoever may write there is the market's own user or root, and no stranger. Or at the
//! console, by who signed in there under a name; on loopback it asks nobody who they are, and takes nothing.
//!
//! | file | what |
//! |---|---|
//! | `list.rs` | the list: judgements and acknowledgements in, changes out; pure |
//! | `directory.rs` | the list on disk, and acknowledgements on their way to the market |
//! | `notices/` | telling people, by a webhook and by mail |
//! | `watch.rs` | once a second: what is the matter, who has acknowledged, what is new, who is told |

pub(crate) mod list;
pub mod notices;
pub(crate) mod watch;

mod directory;

pub(crate) use self::list::{is_a_name, name_in_alarms};
pub use self::{
    directory::{ALARMS_DIRECTORY, Directory, DirectoryError},
    list::{Acknowledged, Alarm, AlarmName, Alarms, Severity},
};
