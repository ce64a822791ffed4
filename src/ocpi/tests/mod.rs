//! Behaviour of the edge against fakes of the ports.

mod answering;
mod calling;
mod cpo;
mod fakes;
mod hubs;
mod life;
mod limits;
mod locations;
mod mutations;
mod probing;
mod pulling;
mod quirks;
mod registering;
mod results;
mod sessions;
mod world;
