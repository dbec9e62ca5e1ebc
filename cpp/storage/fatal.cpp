#include "storage/fatal.hpp"

#include <unistd.h>

#include <string>

namespace paxledger::storage {

void end_the_process(const Error& error) {
  const std::string words =
      "paxledger: " + error.message + "\npaxledger: " + std::string(kDiskFailedAdvice) + "\n";
  std::string_view rest = words;
  while (!rest.empty()) {
    const auto written = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(kExitDiskFailed);
}

}  // namespace paxledger::storage
