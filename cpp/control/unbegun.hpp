// Which nodes of a cluster have never begun.
//
// A node with an empty directory is either new, and then it may begin with an empty history, or it
// lost its disk, and then it must not: it would vote as if it had never voted. From the directory
// alone the two cannot be told apart. So whoever founds a cluster writes, before any node of it is
// started, one file for each node,
//
//   <data_dir>/node-N.unbegun     "node N of cluster NAME has never begun" LF
//
// and the node removes it, durably, before it begins its directory (storage::DataDirectory). The
// file is therefore positive evidence: while it is there, node N has never written anything, and so
// has never voted. Where it is missing, or says anything else, the node is taken to have lost its
// disk. It stands outside the node's own directory, so that a disk that is not mounted does not
// bring it back.
#pragma once

#include <filesystem>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "node/configuration.hpp"

namespace paxledger::control {

[[nodiscard]] std::filesystem::path unbegun_file(const node::Configuration& configuration,
                                                 NodeId node);

// Writes the files of all nodes, and returns once they are durable. Precondition: no node of the
// cluster has data or runs. Errors: io.
[[nodiscard]] Result<void> mark_unbegun(const node::Configuration& configuration);

[[nodiscard]] bool is_unbegun(const node::Configuration& configuration, NodeId node);

// Whether a node's directory holds an identity, or anything in the parts that a node makes. Files
// of others (lost+found, the lock of a refused start) do not count. If it cannot be looked into, it
// counts as holding something: the node itself will say what is wrong with it.
[[nodiscard]] bool has_data(const node::Configuration& configuration, NodeId node);

}  // namespace paxledger::control
