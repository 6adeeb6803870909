/** Version of the harness, stored in results. */
export const version = '0.1.0';
