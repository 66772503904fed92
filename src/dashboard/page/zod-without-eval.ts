/**
 * Imported before any schema is made: zod would try whether it may make functions of text, which the page's content
 * security policy forbids, and the browser reports each try.
 */
import { config } from 'zod';

config({ jitless: true });
