// Errors of the C++ libraries as the exceptions of python/paxledger/errors.py.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

#include "base/result.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {

inline pybind11::module_ errors_module() {
  return pybind11::module_::import("paxledger.errors");
}

[[noreturn]] inline void raise_object(const pybind11::object& exception) {
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception.ptr())), exception.ptr());
  throw pybind11::error_already_set();
}

// Text for people. It may quote octets that are no UTF-8, such as a path; they are shown as \xNN.
inline pybind11::str text_for_people(const std::string& text) {
  PyObject* const decoded =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace");
  if (decoded == nullptr) throw pybind11::error_already_set();
  return pybind11::reinterpret_steal<pybind11::str>(decoded);
}

// The exception of an error's code.
[[noreturn]] inline void raise_error(const Error& error) {
  const Waiter counted;
  raise_object(errors_module().attr("error_of")(static_cast<int>(error.code),
                                                text_for_people(error.message)));
}

// An exception that has no code in C++.
[[noreturn]] inline void raise_named(const char* name, const std::string& message) {
  const Waiter counted;
  raise_object(errors_module().attr(name)(message));
}

template <class T>
T value_or_raise(Result<T> result) {
  if (!result) raise_error(result.error());
  return std::move(*result);
}

inline void value_or_raise(const Result<void>& result) {
  if (!result) raise_error(result.error());
}

}  // namespace paxledger::bindings
