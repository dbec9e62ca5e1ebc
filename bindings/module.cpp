// paxledger._core: what Python sees of the C++ libraries. Private; python/paxledger is the face.
#include <pthread.h>
#include <pybind11/native_enum.h>
#include <pybind11/pybind11.h>

#include <new>

#include "base/result.hpp"
#include "client_binding.hpp"
#include "cluster_binding.hpp"
#include "sim_binding.hpp"
#include "waiting.hpp"

namespace py = pybind11;
using paxledger::ErrorCode;

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

  if (pthread_atfork(nullptr, nullptr, &paxledger::bindings::note_fork) != 0) {
    throw std::bad_alloc();  // its only error
  }
  module.def("await_waiters", &paxledger::bindings::end_waits, py::arg("seconds"),
             "Forbids waits to other threads, and waits for theirs; whether none is left.");
  paxledger::bindings::define_client(module);
  paxledger::bindings::define_cluster(module);
  paxledger::bindings::define_sim(module);
}
