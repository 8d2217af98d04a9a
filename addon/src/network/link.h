#pragma once

#include <linux/rtnetlink.h>

#include <cstdint>
#include <string>
#include <vector>

#include "network/address.h"
#include "network/netlink.h"

namespace gantry {

/// The header of a message that brings a link up.
ifinfomsg link_up(uint32_t link);

/// IF_OPER_*, as the kernel sees the link at this moment.
uint8_t operational_state(NetlinkSocket& netlink, uint32_t link);

/// Waits a moment for the carrier of a link that was just brought up.
void await_carrier(NetlinkSocket& netlink, const std::string& name);

/// Waits a moment until the kernel takes what is sent to these addresses, which were just added to a link that is up.
void await_addresses(NetlinkSocket& netlink, const std::vector<NetworkAddress>& addresses);

}  // namespace gantry
