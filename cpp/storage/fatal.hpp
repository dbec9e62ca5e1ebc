// The end after a failed write or sync.
#pragma once

#include <functional>
#include <string_view>

#include "base/result.hpp"

namespace paxledger::storage {

// The exit code after a failed write or sync: EX_IOERR of sysexits.h.
inline constexpr int kExitDiskFailed = 74;

// What the failure means and what to do, for people.
inline constexpr std::string_view kDiskFailedAdvice =
    "a write or sync failed, so it is unknown what the disk holds; this process ends now. Nothing "
    "that was acknowledged is lost. Remove the cause (free space, replace the disk) and start the "
    "node again.";

// Called on a storage thread with what failed. If it returns, that thread writes nothing more.
using FatalHandler = std::function<void(const Error&)>;

// Writes a last message to standard error and ends the process at once with kExitDiskFailed,
// without flushing or destroying anything: nothing that is still in memory may look durable.
void end_the_process(const Error& error);

}  // namespace paxledger::storage
