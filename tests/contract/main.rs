//! Promises that cross the borders between files.
