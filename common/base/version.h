/* The revision and the compiler of this program: for --version, /stats and the load test's record. */
#ifndef WB_VERSION_H
#define WB_VERSION_H

/* `git describe` of the tree: "1f31caa", "1f31caa-dirty"; "unknown" outside of a repository. */
extern const char wb_version[];

/* Compiler and flags: "gcc 12.2.0, -O2 -g". */
extern const char wb_build[];

#endif
