#include <csignal>

#include "cli/application.hpp"

int main(int argc, char** argv) {
  // A reader that went away (`paxledger scan | head`) ends the output, with an error and no signal.
  std::signal(SIGPIPE, SIG_IGN);
  return paxledger::cli::run({argv + 1, argv + argc});
}
