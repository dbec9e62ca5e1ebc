// The end after a failed write or sync.
#pragma once

#include <functional>

#include "base/result.hpp"

namespace paxledger::storage {

// The exit code after a failed write or sync: EX_IOERR of sysexits.h.
inline constexpr int kExitDiskFailed = 74;

// Called on a storage thread with what failed. If it returns, that thread writes nothing more.
using FatalHandler = std::function<void(const Error&)>;

// Writes a last message to standard error and ends the process at once with kExitDiskFailed,
// without flushing or destroying anything: nothing that is still in memory may look durable.
void end_the_process(const Error& error);

}  // namespace paxledger::storage
