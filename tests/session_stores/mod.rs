//! What every session store promises, asked of each; what can befall it; and the real npm packages at work.

mod apps;
mod contract;
mod databases;
mod explained;
mod faults;
mod files;
mod layouts;
mod memcached;
mod memory;
mod mongodb;
mod recorded;
mod redis;
mod sql;
