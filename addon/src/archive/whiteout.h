#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>

namespace gantry::archive {

// How a layer says that something below it is gone. In an archive: ".wh.NAME", and ".wh..wh..opq" for all there was in
// a directory (OCI image-spec, layer.md). In overlayfs: a character device 0/0, and an extended attribute.

constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_marker = ".wh..wh..opq";

bool is_whiteout_name(std::string_view name);
/// AUFS's own bookkeeping (".wh..wh.plnk"), which means nothing to others.
bool is_whiteout_metadata(std::string_view name);
bool is_whiteout(const struct stat& status);
bool is_whiteout(int fd);

/// Makes a whiteout. What the same layer has put there stays; a directory becomes opaque instead.
void hide(int parent, const std::string& name);

}  // namespace gantry::archive
