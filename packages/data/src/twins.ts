/** Recordings that MuseScore_General_Lite has taken over from Fluid: other bytes, the same sound. */
import twins from './twins.json' with { type: 'json' };

const table: Readonly<Record<string, string>> = twins;

/** `musescore/0123` → `fluid/0456` when both are the same recording. */
export const twinOf = (id: string): string | undefined => (Object.hasOwn(table, id) ? table[id] : undefined);
