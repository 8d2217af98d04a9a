#pragma once

namespace gantry::archive {

/// Whether a file begins as a tar archive does, under whatever compression. Leaves it at its beginning.
bool is_archive(int file);

}  // namespace gantry::archive
