/**
 * Loaded ahead of a child's own module (`node --import`): when the parent is gone, however it ended, the child ends as if
 * it had been told to. Nothing is left behind by a demonstration that was killed.
 */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening must not keep a child alive that has done its work.
process.channel?.unref();
