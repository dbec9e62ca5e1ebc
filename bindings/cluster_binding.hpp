// The controller of a cluster of processes on this machine, for Python.
#pragma once

#include <pybind11/pybind11.h>

namespace paxledger::bindings {

void define_cluster(pybind11::module_& module);

}  // namespace paxledger::bindings
