//! Behaviour of the edge against fakes of the ports.
