// Every limit has a name here: its value, and what a client gets that goes past it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace Atoll::limits {

// Wire
constexpr size_t max_frame = 0xFFFFFF;  // bytes after the 4-byte transport header (MS-SMB2 2.1); beyond: the connection ends
constexpr size_t max_preauth_frame = 64 * 1024 + 4096;  // bytes of one frame before log-on; beyond: the connection ends
constexpr size_t max_transact_default = 8u << 20;       // `smb2 max trans`; INVALID_PARAMETER
constexpr size_t max_read_default = 8u << 20;           // `smb2 max read`; INVALID_PARAMETER
constexpr size_t max_write_default = 8u << 20;          // `smb2 max write`; INVALID_PARAMETER
constexpr size_t max_credits_default = 8192;            // `smb2 max credits`: message ids outstanding on one connection
constexpr size_t max_compound = 64;                     // requests in one frame; beyond: INVALID_PARAMETER for the rest
constexpr size_t max_async_requests = 512;              // pending requests of one connection; INSUFFICIENT_RESOURCES
constexpr size_t max_negotiate_contexts = 16;           // of one NEGOTIATE; INVALID_PARAMETER
constexpr size_t max_dialects = 64;                     // of one NEGOTIATE; INVALID_PARAMETER
constexpr size_t max_create_contexts = 32;              // of one CREATE; INVALID_PARAMETER
constexpr size_t max_security_blob = 64 * 1024;         // bytes of a SESSION_SETUP token; INVALID_PARAMETER

// Log-on tokens
constexpr size_t max_av_pairs = 64;           // of one NTLM target info; INVALID_PARAMETER
constexpr size_t max_spnego_mechanisms = 16;  // of one MechTypeList; INVALID_PARAMETER
constexpr size_t max_logon_name = 1024;       // bytes, UTF-8, of a user, domain or workstation name; INVALID_PARAMETER

// Names
constexpr size_t max_path_units = 32767;       // UTF-16 units of a path on the wire; OBJECT_NAME_INVALID
constexpr size_t max_component_bytes = 255;    // bytes of one UTF-8 component (POSIX NAME_MAX); OBJECT_NAME_INVALID
constexpr size_t max_expression_units = 1024;  // code points of a search pattern; OBJECT_NAME_INVALID
constexpr size_t max_ea_name_bytes = 250;      // of an extended attribute: Linux's 255 less "user."; INVALID_EA_NAME
constexpr size_t max_symlink_depth = 40;       // as Linux; OBJECT_PATH_NOT_FOUND

// Files
constexpr uint64_t max_file_size = 0xFFFFFFF0000;  // bytes (MS-FSA 2.1.1.1, MaxFileSize; NTFS's with clusters of 4 KiB); INVALID_PARAMETER
constexpr size_t max_ea_length = 64 * 1024 - 5;    // bytes of one file's extended attributes as FILE_FULL_EA_INFORMATION; EA_TOO_LARGE
constexpr size_t max_ea_list = 128 * 1024;         // bytes of one list of extended attributes to be set and deleted; EA_TOO_LARGE
constexpr size_t max_xattr_names = 64 * 1024;      // bytes of the names of a file's xattrs, Linux's XATTR_LIST_MAX

// State of one client process
constexpr size_t max_sessions = 1024;                     // of one connection; INSUFFICIENT_RESOURCES
constexpr unsigned previous_session_timeout_seconds = 5;  // for which a log-on waits for the session that it replaces; then it is answered
constexpr size_t max_tcons = 4096;                        // of one session; INSUFFICIENT_RESOURCES
constexpr unsigned max_create_races = 8;                  // a file that others make and remove while we open it; SHARING_VIOLATION
constexpr size_t max_opens = 65536;                       // of one client process; TOO_MANY_OPENED_FILES
constexpr size_t max_connections_per_client = 32;         // channels of one client GUID

// Databases
constexpr size_t max_held_records = 32;                // record locks that one process holds at once; asserted
constexpr unsigned max_lock_deadlock_retries = 10000;  // of an fcntl lock, 1 ms apart; then Code::io
constexpr long mutex_wait_milliseconds = 100;          // that a process waits for a wake-up before it looks at the mutex again
constexpr size_t max_dead_records = 2;                 // of one chain of a TDB file, kept for its next store; more go to the free list
constexpr size_t max_free_list_search = 64;            // free records of a TDB file looked at for the best fit once one fits
constexpr uint64_t max_tdb_growth = 16u << 20;         // bytes by which a TDB file grows beyond what is asked for
constexpr uint64_t min_recovery_area = 16u << 10;      // bytes of a new recovery area of a TDB file's transactions
constexpr size_t max_kept_pages = 256;                 // of a TDB file, whose copies are kept from one transaction to the next
constexpr uint32_t max_page_gap = 32;                  // pages between two that are given back to the system by one call
constexpr uint64_t max_tdb_free_records = 1000;        // in the free list, and one for each page of the file; a commit then repacks it
constexpr uint64_t max_tdb_record = 256u << 20;        // bytes of key and value; Code::no_space
constexpr uint64_t max_lmdb_map = uint64_t{64} << 30;  // bytes of an LMDB database; Code::no_space
constexpr unsigned max_lmdb_databases = 32;            // in one file; Code::no_space
constexpr unsigned max_lmdb_readers = 32768;           // processes that read one file; Code::busy
constexpr size_t traverse_batch = 256 * 1024;          // bytes of records that a traverse of LMDB copies at once

// Durable commits
constexpr size_t max_batch = 128 * 1024;               // bytes of changes in one packet; more travel in a file (tdb/committer/packet.h)
constexpr size_t max_waiting_batches = 4096;           // in one process, for the committer; Code::busy
constexpr size_t max_waiting_batch_bytes = 16u << 20;  // of all of them; Code::busy
constexpr size_t max_batches_in_commit = 4096;         // that the committer makes one transaction of; more wait for the next
constexpr size_t max_commit_bytes = 16u << 20;         // of all of them; as above
constexpr unsigned committer_patience_seconds = 30;    // without a committer; then Code::dead
constexpr unsigned clean_readers_seconds = 60;         // from one look for readers that died to the next
constexpr unsigned logon_note_seconds = 60;            // from one note of an account's log-on to the next

// smb.conf
constexpr size_t max_config_file = 4u << 20;       // bytes of one file; beyond: not loaded
constexpr size_t max_config_line = 64 * 1024;      // bytes of one line with its continuations; beyond: not loaded
constexpr unsigned max_config_include_depth = 16;  // include within include; beyond: not loaded
constexpr size_t max_config_files = 1024;          // files read for one configuration; beyond: not loaded
constexpr size_t max_config_sections = 16384;      // sections of one configuration; beyond: not loaded
constexpr size_t max_config_warnings = 256;        // kept of one load; the rest is counted
constexpr size_t max_expanded_value = 64 * 1024;   // bytes of a value with its macros expanded; cut there
constexpr size_t max_name_patterns = 1024;         // of one veto or hide list; the rest is not taken

// Messages between processes
constexpr size_t max_message = 16u << 20;         // bytes of one message; not sent
constexpr size_t max_message_inline = 32 * 1024;  // bytes in a datagram; larger ones go in a memfd
constexpr size_t max_message_descriptors = 8;     // with one message; not sent
constexpr size_t max_queued_messages = 1024;      // waiting in the sender for one receiver that is behind; busy
constexpr size_t max_queued_bytes = 64u << 20;    // of messages waiting in the sender for all receivers that are behind; busy
constexpr size_t max_message_peers = 16;          // mailboxes that a process keeps connected; others are looked up each time

// Processes
constexpr size_t max_preauth_connections = 1024;  // half-open connections of one preauth process; the oldest is dropped
constexpr unsigned preauth_timeout_seconds = 60;  // from accept to the end of log-on; the connection ends
constexpr unsigned preauth_processes = 2;
constexpr size_t max_preauth_logons = 8;           // SESSION_SETUP exchanges of one connection before log-on; INSUFFICIENT_RESOURCES
constexpr unsigned handover_timeout_seconds = 10;  // from asking authd, or the taker, to the answer; asked again
constexpr unsigned max_handover_attempts = 3;      // beyond: the connection ends
constexpr unsigned spare_processes = 4;            // client processes that wait for a client
constexpr unsigned user_cache_seconds = 5;         // for which authd remembers what the system's user database said of a user
constexpr size_t max_cached_users = 1024;          // that authd remembers; then it asks anew for all
constexpr size_t max_waiting_logons = 1024;        // that wait in authd for a client process; INSUFFICIENT_RESOURCES
constexpr size_t max_packet = 512 * 1024;          // bytes between two processes of smbd at once
constexpr unsigned max_client_processes = 65536;   // with `max smbd processes` 0, spare ones among them; INSUFFICIENT_RESOURCES
constexpr size_t spare_descriptors = 256;          // that a process needs besides its clients' files and connections
constexpr unsigned max_pool_threads = 16;          // of one client process
constexpr unsigned restarts_in_a_row = 5;          // of a helper that ends at once; then it is restarted only once a second

// RPC
constexpr uint16_t rpc_max_fragment = 4280;     // bytes of one PDU, both ways: what servers on named pipes have always offered
constexpr uint16_t rpc_min_fragment = 1432;     // C706 12.6.3.1, MustRecvFragSize: a client that says less is taken to mean it
constexpr size_t rpc_max_request = 4u << 20;    // bytes of one request's stub; a fault, access_denied (MS-RPCE 3.3.3.5.4)
constexpr size_t rpc_max_response = 16u << 20;  // bytes of one response's stub; a fault, no_memory; of a server: RPC_NT_PROTOCOL_ERROR
constexpr size_t rpc_max_contexts = 1024;       // presentation contexts of one connection; bind_nak, local_limit_exceeded
constexpr size_t rpc_max_associations = 4096;   // groups in one process; bind_nak, local_limit_exceeded
constexpr size_t max_pipe_queue = 32u << 20;    // bytes that a pipe's client has not read yet; its WRITE gets PIPE_BUSY
constexpr size_t max_pipe_readers = 64;         // reads that wait at one pipe; INSUFFICIENT_RESOURCES

// IDL: what generated decoders accept where the .idl names no limit; beyond: Code::corrupt
constexpr size_t idl_max_text = 1 << 17;         // bytes of one utf8 or path (32767 UTF-16 units are at most 98301 bytes of UTF-8)
constexpr size_t idl_max_blob = 1 << 24;         // bytes of one blob
constexpr size_t idl_max_elements = 1 << 16;     // of one sequence or conformant array
constexpr size_t idl_max_wide_string = 1 << 16;  // UTF-16 units of one [string] wchar_t*, with the NUL

}  // namespace Atoll::limits
