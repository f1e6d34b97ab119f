export { officialIndex } from "./coordinate-index.js";
export { averageStatsOfficially, statsFromOfficialLog } from "./statistics.js";
