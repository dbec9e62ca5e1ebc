// paxledger._core: what Python sees of the C++ libraries. Private; python/paxledger is the face.
#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>

#include <chrono>
#include <thread>

#include "base/result.hpp"
#include "client_binding.hpp"
#include "cluster_binding.hpp"
#include "waiting.hpp"

namespace py = pybind11;
using paxledger::ErrorCode;

namespace {

// Waits until no Python thread is in a wait of this module, at most so long; returns whether none is.
bool await_waiters(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (paxledger::bindings::waiters != 0) {
    if (Clock::now() >= until) return false;
    const py::gil_scoped_release released;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "What Python sees of the C++ libraries; paxledger is the face.";
  module.attr("__version__") = PAXLEDGER_VERSION;

  py::native_enum<ErrorCode>(module, "ErrorCode", "enum.IntEnum", "The errors of Paxledger.")
      .value("ok", ErrorCode::ok)
      .value("not_found", ErrorCode::not_found)
      .value("compare_failed", ErrorCode::compare_failed)
      .value("no_quorum", ErrorCode::no_quorum)
      .value("timeout", ErrorCode::timeout)
      .value("overloaded", ErrorCode::overloaded)
      .value("too_large", ErrorCode::too_large)
      .value("session_expired", ErrorCode::session_expired)
      .value("unauthorized", ErrorCode::unauthorized)
      .value("bad_request", ErrorCode::bad_request)
      .value("shutting_down", ErrorCode::shutting_down)
      .value("repairing", ErrorCode::repairing)
      .value("io", ErrorCode::io)
      .value("damaged", ErrorCode::damaged)
      .value("configuration", ErrorCode::configuration)
      .finalize();

  module.def("await_waiters", &await_waiters, py::arg("seconds"),
             "Waits until no thread is in a wait of this module; whether that is so.");
  paxledger::bindings::define_client(module);
  paxledger::bindings::define_cluster(module);
}
