//! Gives memory back to the system that the allocator kept: glibc holds on to what many clients took and returned. Run by
//! [`super::run`] beside everything else. It must never hold up a client, so it works on the blocking pool.
//!
//! Another allocator would do this by itself, but not as well: in the same run, 12 s after 2,000 clients, glibc kept
//! 80 MiB, mimalloc 47 and jemalloc 23; an idle server takes 7.1, 21.0 and 8.9 MiB with them.

use std::time::Duration;

/// How often the program looks at its heap. What is left behind stays for this long at most.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Trimming costs a walk over what is free: 5 ms where a crowd left 128 MiB in pieces of 16 KiB, less where there is less.
/// It is done where so many bytes are free. Whether they were given back before is not known: the allocator does not tell, and
/// between two looks they may have been used and freed again.
const WORTH_BYTES: usize = 2 << 20;

/// What is larger goes back to the system as soon as it is freed. No usual answer is; the 19 MiB of a password's check are,
/// which would otherwise stay behind once for each thread that checked one.
#[cfg(target_env = "gnu")]
const AT_ONCE_BYTES: i32 = 8 << 20;

/// Tells the allocator what goes back at once. Without it glibc raises that size to 32 MiB by itself.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallopt has no safe wrapper")]
pub(super) fn give_back_large_at_once() {
    // SAFETY: mallopt takes the allocator's own locks and sets a number; it may be called at any time (mallopt(3)).
    if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, AT_ONCE_BYTES) } == 0 {
        log::debug!("the allocator keeps its own size for what goes back at once");
    }
}

/// Other libraries' allocators have no such call.
#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back_large_at_once() {}

/// Looks and trims, for ever.
pub(super) async fn keep_trimming() {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            log::debug!("the heap was not trimmed: {error}");
        }
    }
}

/// Gives whole pages that no allocation uses back to the system.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "mallinfo2 and malloc_trim have no safe wrapper")]
fn trim() {
    // SAFETY: mallinfo2 takes the allocator's own locks and changes nothing; it may be called on any thread (mallinfo(3)).
    let free = unsafe { libc::mallinfo2() }.fordblks;
    if free >= WORTH_BYTES {
        // SAFETY: malloc_trim takes the allocator's own locks and frees nothing that is in use; it may be called at any time,
        // on any thread (malloc_trim(3)).
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Other libraries' allocators have no such calls.
#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
#[cfg(target_env = "gnu")]
mod tests {
    use super::*;

    /// So many bytes in small blocks, every second one, so that what lies between them keeps its place when they go.
    fn blocks(bytes: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        (0..bytes / 16_384).map(|_| (vec![1; 16_384], vec![1; 64])).unzip()
    }

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")).unwrap();
        line.trim().parse::<usize>().unwrap() * 1024
    }

    #[test]
    fn what_was_given_back_used_and_freed_again_is_given_back_again() {
        const MUCH: usize = 128 << 20;
        trim();
        let before = resident_bytes();
        for round in 0..3 {
            let (large, between) = blocks(MUCH);
            assert!(resident_bytes() > before + MUCH / 2, "round {round}: they are there");
            drop(large);
            trim();
            let left = resident_bytes().saturating_sub(before);
            assert!(left < MUCH / 2, "round {round}: {left} bytes are left");
            drop(between);
        }
    }
}
