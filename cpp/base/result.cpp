#include "base/result.hpp"

namespace paxledger {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::ok:
      return "ok";
    case ErrorCode::not_found:
      return "not found";
    case ErrorCode::compare_failed:
      return "compare failed";
    case ErrorCode::no_quorum:
      return "no quorum";
    case ErrorCode::timeout:
      return "timeout, outcome unknown";
    case ErrorCode::overloaded:
      return "overloaded";
    case ErrorCode::too_large:
      return "too large";
    case ErrorCode::session_expired:
      return "session expired";
    case ErrorCode::unauthorized:
      return "unauthorized";
    case ErrorCode::bad_request:
      return "bad request";
    case ErrorCode::shutting_down:
      return "shutting down";
    case ErrorCode::repairing:
      return "repairing";
    case ErrorCode::io:
      return "input/output error";
    case ErrorCode::damaged:
      return "damaged";
    case ErrorCode::configuration:
      return "configuration error";
  }
  return "unknown error";
}

}  // namespace paxledger
