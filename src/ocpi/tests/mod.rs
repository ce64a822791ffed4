//! Behaviour of the edge against fakes of the ports.

mod answering;
mod calling;
mod cpo;
mod fakes;
mod locations;
mod probing;
mod registering;
mod results;
mod sessions;
mod world;
