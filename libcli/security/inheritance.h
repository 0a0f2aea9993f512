// The descriptor of what is new (MS-DTYP 2.5.3.4), and replacing parts of one (MS-FSA 2.1.5.17). Pure functions.
#pragma once

#include "libcli/security/security_descriptor.h"

namespace Atoll::security {

// True if a new child of what has this DACL or SACL inherits an ACE of it (MS-DTYP 2.5.3.4.3).
bool has_inheritable_aces(const std::optional<Acl>& parent, bool child_is_directory);

// The descriptor of a new file or directory below `parent`, from the parent's inheritable ACEs alone. CREATOR OWNER and CREATOR GROUP
// become `owner` and `group` in ACEs that are effective on the child; what the child hands on keeps them. The ACEs are marked inherited,
// and the DACL auto-inherited, if the parent's DACL is auto-inherited. Replaces `out`, whose capacity is reused. False: it would
// be larger than an ACL can be (64 KiB), since an ACE may become two. Where nothing is inherited the DACL is empty, and there is no SACL.
[[nodiscard]] bool inherit(const SecurityDescriptor& parent, const Sid& owner, const Sid& group, bool child_is_directory,
                           SecurityDescriptor& out);

// How a set treats DACL_AUTO_INHERITED and SACL_AUTO_INHERITED (smb.conf: `acl flag inherited canonicalization`): kept only together with
// the request for it, as Windows has it, or as they are sent.
enum class AutoInherited : uint8_t { when_required, as_sent };

// Takes the parts (bits of `part`) of `value` over into `descriptor`, with the control bits that belong to them. Generic rights of ACEs are
// mapped.
void replace_parts(SecurityDescriptor& descriptor, uint32_t parts, const SecurityDescriptor& value, AutoInherited mode);

}  // namespace Atoll::security
