#pragma once

#include <sys/types.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "isolation/id_maps.h"
#include "isolation/unique_fd.h"

namespace gantry {

/// `linux.namespaces` of a spec. A type that is not listed stays the host's.
struct Namespaces {
  struct Joined {
    uint64_t type;
    std::string path;
    UniqueFd fd;
  };

  /// CLONE_NEW* flags of the namespaces to create.
  uint64_t created = 0;
  /// Namespaces that exist already, opened.
  std::vector<Joined> joined;
  /// A user namespace that exists already. All that is created belongs to it.
  UniqueFd user;

  /// CLONE_NEW* flags of all that are not the host's.
  uint64_t own() const;
};

/// @throws Error naming a type that is unknown or cannot be used that way
Namespaces plan_namespaces(const nlohmann::json& spec);

/// CLONE_NEW* flags of the types a spec lists, without opening anything.
uint64_t listed_namespaces(const nlohmann::json& spec);

/// Puts this process into namespaces for a while, so that a child is born in them, and back again at scope exit.
/// Not for mount and user namespaces, from which there is no way back.
class NamespaceVisit {
 public:
  NamespaceVisit() = default;
  NamespaceVisit(const NamespaceVisit&) = delete;
  NamespaceVisit& operator=(const NamespaceVisit&) = delete;
  /// Ends the process if there is no way back: nothing it did afterwards would be where it should.
  ~NamespaceVisit();
  /// @param fd a namespace, or a pidfd of a process that is in it. @throws Error
  void enter(uint64_t type, int fd, const std::string& name);

 private:
  struct Home {
    uint64_t type;
    UniqueFd fd;
  };
  std::vector<Home> homes_;
};

/// Takes the ids of root in the user namespace this process has entered, with no further groups.
void become_container_root();

/// The maps of the spec's user namespace, be it new or one that exists; empty without one.
/// @throws Error when they have no root
IdMaps container_ids(const nlohmann::json& spec);

}  // namespace gantry
