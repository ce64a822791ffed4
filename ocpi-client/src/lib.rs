//! ocpi
