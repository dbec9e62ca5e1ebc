// The simulator for Python.
#pragma once

#include <pybind11/pybind11.h>

namespace paxledger::bindings {

void define_sim(pybind11::module_& module);

}  // namespace paxledger::bindings
