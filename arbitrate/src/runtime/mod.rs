//! Clocks, threads, signals, files.
