// The parts of the table of conf/parameter.h, and the names of its enumerations. Where the server reads a value as an enum of
// conf/configuration.h the number here is that enum's.
#pragma once

#include "conf/parameter.h"

namespace Atoll::conf {

std::span<const Parameter> global_parameters();
std::span<const Parameter> share_parameters();

inline constexpr EnumName tristate[] = {{0, "No"}, {0, "False"}, {0, "0"}, {1, "Yes"}, {1, "True"}, {1, "1"}, {2, "Auto"}};
inline constexpr EnumName demands[] = {{0, "default"},   {1, "No"},          {1, "False"},  {1, "0"},       {1, "Off"},
                                       {1, "disabled"},  {2, "if_required"}, {2, "Yes"},    {2, "True"},    {2, "1"},
                                       {2, "On"},        {2, "enabled"},     {2, "auto"},   {3, "desired"}, {4, "required"},
                                       {4, "mandatory"}, {4, "force"},       {4, "forced"}, {4, "enforced"}};
inline constexpr EnumName protocols[] = {{0, "default"},      {0x0210, "SMB2"},    {0x0311, "SMB3"},    {0x0311, "SMB3_11"},
                                         {0x0302, "SMB3_02"}, {0x0300, "SMB3_00"}, {0x0210, "SMB2_10"}, {0x0202, "SMB2_02"},
                                         {5, "NT1"},          {4, "LANMAN2"},      {3, "LANMAN1"},      {1, "CORE"},
                                         {2, "COREPLUS"},     {2, "CORE+"}};
inline constexpr EnumName csc_policies[] = {{0, "manual"}, {1, "documents"}, {2, "programs"}, {3, "disable"}};
inline constexpr EnumName letter_cases[] = {{0, "lower"}, {1, "upper"}};
inline constexpr EnumName inherit_owners[] = {{0, "no"}, {1, "windows and unix"}, {1, "yes"}, {2, "unix only"}};
inline constexpr EnumName mangled_names[] = {{0, "no"}, {0, "false"}, {0, "0"}, {1, "illegal"}, {2, "yes"}, {2, "true"}, {2, "1"}};
inline constexpr EnumName map_readonly[] = {{0, "no"},   {0, "false"}, {0, "0"},           {1, "yes"},
                                            {1, "true"}, {1, "1"},     {2, "permissions"}, {2, "perms"}};
inline constexpr EnumName map_to_guest[] = {{0, "Never"}, {1, "Bad User"}, {2, "Bad Password"}, {3, "Bad Uid"}};
inline constexpr EnumName ntlm_auths[] = {
    {0, "disabled"},         {1, "ntlmv2-only"}, {1, "no"},   {1, "false"}, {1, "0"},
    {2, "ntlmv1-permitted"}, {2, "yes"},         {2, "true"}, {2, "1"},     {3, "mschapv2-and-ntlmv2-only"}};

inline constexpr EnumName printings[] = {{0, "sysv"},  {1, "aix"},  {2, "hpux"},   {3, "bsd"}, {4, "qnx"}, {5, "plp"},
                                         {6, "lprng"}, {7, "cups"}, {8, "iprint"}, {9, "nt"},  {10, "os2"}};
inline constexpr EnumName spotlight_backends[] = {{0, "noindex"}, {1, "tracker"}, {2, "elasticsearch"}};
inline constexpr EnumName dns_updates[] = {
    {0, "disabled"},  {0, "No"},          {0, "False"},  {0, "0"},     {0, "Off"}, {1, "nonsecure and secure"},
    {1, "nonsecure"}, {2, "secure only"}, {2, "secure"}, {2, "signed"}};
inline constexpr EnumName ldap_wrappings[] = {{0, "plain"}, {1, "sign"}, {2, "seal"}};
inline constexpr EnumName protections[] = {{0, "default"}, {1, "plain"}, {2, "sign"}, {3, "encrypt"}};
inline constexpr EnumName use_kerberos[] = {{0, "desired"}, {0, "auto"},     {1, "yes"}, {1, "required"},
                                            {2, "no"},      {2, "disabled"}, {2, "off"}};
inline constexpr EnumName config_backends[] = {{0, "file"}, {1, "registry"}};
inline constexpr EnumName kerberos_types[] = {{0, "all"}, {1, "strong"}, {2, "legacy"}};
inline constexpr EnumName kerberos_methods[] = {{0, "default"},         {0, "secrets only"},       {0, "secretsonly"},
                                                {1, "system keytab"},   {1, "systemkeytab"},       {2, "dedicated keytab"},
                                                {2, "dedicatedkeytab"}, {3, "secrets and keytab"}, {3, "secretsandkeytab"}};
inline constexpr EnumName ldap_derefs[] = {{0, "never"}, {1, "searching"}, {2, "finding"}, {3, "always"}, {4, "auto"}};
inline constexpr EnumName ldap_passwd_syncs[] = {{0, "no"}, {0, "off"}, {1, "yes"}, {1, "on"}, {2, "only"}};
inline constexpr EnumName ldap_auth[] = {{0, "No"}, {0, "False"}, {0, "0"}, {1, "allow_sasl_over_tls"}, {2, "Yes"}, {2, "True"}, {2, "1"}};
inline constexpr EnumName ldap_ssl[] = {{0, "no"}, {0, "off"}, {1, "start tls"}, {1, "start_tls"}};
inline constexpr EnumName mdns_names[] = {{0, "netbios"}, {1, "mdns"}};
inline constexpr EnumName nt_hash_stores[] = {{0, "auto"}, {1, "never"}, {2, "always"}};
inline constexpr EnumName securities[] = {{0, "AUTO"}, {1, "USER"}, {2, "DOMAIN"}, {3, "ADS"}};
inline constexpr EnumName server_roles[] = {{0, "auto"},
                                            {1, "standalone server"},
                                            {1, "standalone"},
                                            {2, "member server"},
                                            {2, "member"},
                                            {3, "classic primary domain controller"},
                                            {4, "classic backup domain controller"},
                                            {5, "active directory domain controller"},
                                            {5, "domain controller"},
                                            {5, "dc"},
                                            {6, "IPA primary domain controller"}};
inline constexpr EnumName profiling_levels[] = {{0, "off"}, {1, "count"}, {2, "on"}};
inline constexpr EnumName tls_verify[] = {
    {0, "no_check"}, {1, "ca_only"}, {2, "ca_and_name_if_available"}, {3, "ca_and_name"}, {4, "as_strict_as_possible"}};

}  // namespace Atoll::conf
