//! What a start makes of a rotation that an earlier run did not finish: for every step it may have ended at, every way
//! of servers, and what the profile says of them.

use std::time::Duration;

use testkit::practice::{Answer, Gate, Rotation as Server, Successor, Verdict};

use super::{HOUR, interrupted::at};
use crate::{
    profile::Rotation,
    session::NoToken,
    testing::{World, pass},
};

/// Where the daemon died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Died {
    /// The server has the request, and has not acted on it.
    Sent,
    /// The server has acted on it, and no answer arrived.
    Committed,
    /// The answer is in the journal.
    Answered,
    /// The record is written.
    Stored,
}

const WINDOW: Duration = Duration::from_secs(30);

/// Every way of servers, with what a profile that knows it says.
const SERVERS: [(Server, Rotation); 7] = [
    (Server::None, Rotation::None),
    (Server::NeverRevoke, Rotation::NeverRevoke),
    (Server::Grace { window: WINDOW, successor: Successor::Same }, Rotation::Grace(30)),
    (Server::Grace { window: WINDOW, successor: Successor::New }, Rotation::Grace(30)),
    (Server::UntilNewUsed, Rotation::Unknown),
    (Server::MaxReuse(1), Rotation::Unknown),
    (Server::Strict, Rotation::Strict),
];

/// Whether the session lives on: it cannot where the server has taken the old refresh token for dead.
fn survives(died: Died, server: Server, profile: Rotation, age: u64) -> bool {
    if died != Died::Committed {
        return true;
    }
    match server {
        Server::None | Server::NeverRevoke | Server::UntilNewUsed | Server::MaxReuse(_) => true,
        // Whose profile is wrong about it misses the grace.
        Server::Grace { .. } => age < 25 && profile != Rotation::Strict,
        Server::Strict => false,
    }
}

/// The daemon dies there, starts so many seconds later, and two hours pass.
async fn recovered(died: Died, server: Server, profile: Rotation, age: u64) -> (World, usize) {
    let world = at(server, profile).await;
    let gate = Gate::new();
    let answer = Answer::genuine();
    let answer = if died == Died::Committed { answer.after_committing() } else { answer };
    world.script([answer.held_by(&gate)]);
    gate.arrived(1).await;
    if died == Died::Answered {
        world.daemon.store.fill_disk(true);
    }
    if matches!(died, Died::Answered | Died::Stored) {
        gate.open();
        pass(2).await;
    }
    let token = world.token().await.unwrap();
    let world = world.killed_for(age).await;
    pass(1).await;
    let sent_at_start = world.refreshes() - 1;
    if sent_at_start == 0 {
        assert_eq!(world.verdict(&world.token().await.unwrap()), Verdict::Live, "{died:?} {server:?}");
    }
    if matches!(died, Died::Answered | Died::Stored) {
        assert_eq!(world.token().await.unwrap().token.secret.expose(), token.token.secret.expose());
    }
    (world, sent_at_start)
}

#[tokio::test(start_paused = true)]
async fn every_row_of_the_table() {
    for died in [Died::Sent, Died::Committed, Died::Answered, Died::Stored] {
        for (server, known) in SERVERS {
            // With the answer on the disk nothing else matters.
            let in_doubt = matches!(died, Died::Sent | Died::Committed);
            let mut profiles = vec![known];
            profiles.extend(
                [Rotation::Unknown, Rotation::Strict].into_iter().filter(|it| in_doubt && *it != known),
            );
            for profile in profiles {
                for age in if in_doubt { vec![3, 120] } else { vec![120] } {
                    let row = format!("{died:?}, {server:?}, {profile:?}, {age} s");
                    let (world, sent_at_start) = recovered(died, server, profile, age).await;
                    let at_once = in_doubt
                        && match profile {
                            // Here it is only that the renewal is due.
                            Rotation::None | Rotation::NeverRevoke => true,
                            Rotation::Grace(grace) => age + 5 <= grace,
                            Rotation::Unknown => age <= 60,
                            Rotation::Strict => false,
                        };
                    assert_eq!(sent_at_start, usize::from(at_once), "{row}");
                    pass(2 * HOUR).await;
                    let answer = world.token().await;
                    if survives(died, server, profile, age) {
                        assert_eq!(world.verdict(&answer.expect(&row)), Verdict::Live, "{row}");
                        assert_eq!(world.problem(), None, "{row}");
                    } else {
                        let Err(NoToken::LoginRequired(Some(failure))) = answer else { panic!("{row}") };
                        assert_eq!(failure.error, "rotation_interrupted", "{row}");
                        assert_eq!(world.refreshes(), 2, "{row}: asked once more, and never again");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn how_long_ago_it_was_is_not_asked_of_a_wall_clock_that_steps() {
    for (step, anew, at_once) in [(86_400, false, true), (-600, false, true), (-600, true, false)] {
        let world = at(Server::Strict, Rotation::Unknown).await;
        let gate = Gate::new();
        world.script([Answer::genuine().held_by(&gate)]);
        gate.arrived(1).await;
        world.readings.step_wall(step);
        if anew {
            world.readings.start_anew();
        }
        let world = world.killed_for(3).await;
        pass(1).await;
        assert_eq!(world.refreshes(), 1 + usize::from(at_once), "{step} {anew}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_ends_again_and_again_does_not_send_the_refresh_token_each_time() {
    let mut world = at(Server::Strict, Rotation::Unknown).await;
    let token = world.token().await.unwrap();
    let gate = Gate::new();
    world.script(std::iter::repeat_n(Answer::genuine().held_by(&gate), 6));
    gate.arrived(1).await;
    for start in 1..6 {
        world = world.killed_for(1).await;
        pass(1).await;
        assert_eq!(world.refreshes(), 4.min(1 + start));
    }
    pass(60).await;
    assert_eq!(world.refreshes(), 4);
    assert_eq!(world.token().await.unwrap().token.id, token.token.id);
    assert_eq!(world.problem().as_deref(), Some("rotation_interrupted"));
}
