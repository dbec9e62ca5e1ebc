// How paxledgerd ends. The numbers are those of sysexits.h where it has one.
#pragma once

namespace paxledger::node {

inline constexpr int kExitStopped = 0;
inline constexpr int kExitUsage = 64;          // the command line is wrong
inline constexpr int kExitDirectory = 65;      // the data directory was refused
inline constexpr int kExitUnavailable = 69;    // a port is in use or not allowed
inline constexpr int kExitDiskFailed = 74;     // a file operation failed
inline constexpr int kExitConfiguration = 78;  // cluster.yaml is wrong

}  // namespace paxledger::node
