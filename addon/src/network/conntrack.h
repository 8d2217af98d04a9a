#pragma once

#include <string>
#include <vector>

namespace gantry {

/// Makes the kernel forget UDP flows that one of these addresses answers: a sender who goes on would be led there for
/// as long as he sends, whoever has the port by then. @throws Error
void forget_udp_flows(const std::vector<std::string>& addresses);

}  // namespace gantry
