//! What can befall a registry in Redis alone.
